"""Have PyTorch multiply and convolve on each GPU and on the processor, and compare; prints one line a GPU.

A wheel that was not built for a card shows it here alone, when the first kernel is to run. The numbers are small whole
ones, which every precision that a GPU computes with holds exactly.
"""

import sys

try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise  # it is there, and broken
    print("not installed")
    sys.exit(0)

MOST_OFF = 0.01
"""Of the largest number: what a quick way to convolve may cost."""

if torch.version.cuda is None:
    print("not installed")  # a build for the processor alone
    sys.exit(0)
if not torch.cuda.is_available():
    sys.exit(f"PyTorch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU")
torch.manual_seed(1)
one, other = (torch.randint(-3, 4, (64, 64)).float() for _ in range(2))
picture, kernel = torch.randint(-3, 4, (1, 4, 16, 16)).float(), torch.randint(-3, 4, (8, 4, 3, 3)).float()
expected = (one @ other, torch.nn.functional.conv2d(picture, kernel))
for number in range(torch.cuda.device_count()):
    name = torch.cuda.get_device_name(number)
    try:
        on = [tensor.to(f"cuda:{number}") for tensor in (one, other, picture, kernel)]
        found = ((on[0] @ on[1]).cpu(), torch.nn.functional.conv2d(on[2], on[3]).cpu())
    except RuntimeError as error:
        sys.exit(f"PyTorch {torch.__version__} on {name}: {error}".replace("\n", " "))
    off = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))
    if not off <= MOST_OFF:  # what is no number is above nothing
        sys.exit(f"{name} computes something else than the processor: {off:.3g} of the largest number off")
    print(f"PyTorch {torch.__version__} on {name}, as the processor")
