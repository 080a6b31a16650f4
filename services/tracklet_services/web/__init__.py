"""What our HTTP servers share: whom they answer to, what a request costs, who does the work."""
