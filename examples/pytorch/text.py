"""A character model of a small text: iterations instead of epochs, and two splits in one loop."""

import torch
from torch import nn
from torch.nn import functional as F

TEXT = "the quick brown fox jumps over the lazy dog and the dog does not mind " * 8
BLOCK, BATCH, STEPS, EVERY, EVAL_ITERS = 8, 4, 12, 4, 3

torch.manual_seed(1337)
letters = sorted(set(TEXT))
data = torch.tensor([letters.index(c) for c in TEXT])
n = int(0.9 * len(data))
splits = {"train": data[:n], "val": data[n:]}


def get_batch(split):
    source = splits[split]
    at = torch.randint(len(source) - BLOCK, (BATCH,))
    return (
        torch.stack([source[i : i + BLOCK] for i in at]),
        torch.stack([source[i + 1 : i + BLOCK + 1] for i in at]),
    )


class CharModel(nn.Module):
    def __init__(self, vocab, width=16):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, vocab)

    def forward(self, x, targets=None):
        logits = self.head(self.gru(self.embed(x))[0])
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss


model = CharModel(len(letters))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)


@torch.no_grad()
def estimate_loss():
    out = {}
    model.eval()
    for split in ["train", "val"]:
        losses = torch.zeros(EVAL_ITERS)
        for k in range(EVAL_ITERS):
            x, y = get_batch(split)
            logits, loss = model(x, y)
            losses[k] = loss.item()
        out[split] = losses.mean()
    model.train()
    return out


for it in range(STEPS + 1):
    if it % EVERY == 0:
        losses = estimate_loss()
        print(f"step {it} train_eval_loss {losses['train']:.6f} val_loss {losses['val']:.6f}")
    if it == STEPS:
        break
    x, y = get_batch("train")
    logits, loss = model(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
