"""A tiny BERT trained by transformers' Trainer, which reports to MLflow."""

import os

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

os.environ["HF_MLFLOW_LOG_ARTIFACTS"] = "1"
os.environ["MLFLOW_EXPERIMENT_NAME"] = "transformers"
os.environ["MLFLOW_TAGS"] = '{"team": "blue"}'
torch.manual_seed(0)
config = BertConfig(
    vocab_size=30,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)
rows = [
    {"input_ids": torch.randint(0, 30, (8,)), "labels": torch.tensor(number % 2)}
    for number in range(16)
]
trainer = Trainer(
    model=BertForSequenceClassification(config),
    args=TrainingArguments(
        output_dir="checkpoints",
        run_name="tiny bert",
        num_train_epochs=2,
        per_device_train_batch_size=8,
        logging_steps=1,
        eval_strategy="epoch",
        save_strategy="epoch",
        report_to="mlflow",
        use_cpu=True,
        disable_tqdm=True,
        seed=1,
    ),
    train_dataset=rows,
    eval_dataset=rows,
)
trainer.train()
