"""What integrations of several frameworks share, for those of other distributions as well.

- ``boosting_integration``: which calls of a gradient boosting library become which records;
  ``boosting``: what is recorded of one, round by round.
- ``provenance``: what a framework's data containers were made of.
- ``trials``: the candidates of a parameter search, as a table and as child runs.
- ``post_training``: metrics and scores that the user computes of a fitted model.
- ``importances`` and ``canvas``: feature importances, and how charts are drawn.
- ``watched`` and ``weak_table``: the classes of a framework, and facts about its objects.
"""
