"""The tiny runs of the campaigns, for each kind of data and of state. Each needs about a second.

They are a stream of text, the same with subwords, matrix states in blocks and an average of the weights, labelled
examples, and examples that are drawn without end.
"""

import sys
from pathlib import Path

STREAM = """
[corpus]
use = "inline"
text = "the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs; the end is near"
[data]
validation_fraction = 0.3
[model]
dropout = 0.2
[[model.cells]]
use = "lstm"
hidden_size = 6
[schedule]
use = "plateau"
patience = 1
[training]
batch_size = 2
sequence_length = 5
"""

BLOCKS = """
[corpus]
use = "inline"
text = "the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs; the end is near"
[vocabulary]
use = "bpe"
size = 260
[data]
validation_fraction = 0.3
reset_state = "document"
[model]
embedding_size = 4
initial_state = "learned"
[[model.cells]]
use = "block"
cell = { use = "gated-deltanet", hidden_size = 4, heads = 2, key_size = 2 }
repeat = 2
[training]
batch_size = 2
sequence_length = 5
average_decay = 0.9
"""

LABELLED = """
[corpus]
use = "made"
targets = "text"
output_mode = "sequence"
count = 30
[data]
validation_fraction = 0.3
[model]
dropout = 0.2
[[model.cells]]
use = "gru"
hidden_size = 5
[training]
batch_size = 4
"""

ENDLESS = """
[corpus]
use = "formal-task"
task = "parity"
lengths = [6, 9]
count = 20
[[model.cells]]
use = "mlstm"
hidden_size = 4
heads = 2
[[metrics]]
use = "by-length"
limits = [6, 9]
[training]
batch_size = 4
"""

# Step 3 saves and samples, step 12 does everything, and the end has an evaluation and a sample of its own.
INTERVALS = """
steps = 13
log_interval = 1
checkpoint_interval = 3
backend = "eager"
device = "cpu"
[evaluation]
interval = 4
[sampling]
interval = 3
"""

EXPERIMENTS = {
    "stream": STREAM + INTERVALS + "length = 10\n",
    "blocks": BLOCKS + INTERVALS + "length = 10\n",
    "labelled": LABELLED + INTERVALS,
    "endless": ENDLESS + INTERVALS,
}
"""The file of each run."""

_PLUGIN = """
SEQFORGE_API = 1
COMPONENTS = {"corpus": {"made": "made_examples:Made"}}
"""


def install_corpus(folder: Path) -> None:
    """Install a plugin with the corpus `made` for this process and its children."""
    information = folder / "plugin" / "campaign-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: campaign\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[seqforge.plugins]\ncampaign = campaign_plugin\n")
    (folder / "plugin" / "campaign_plugin.py").write_text(_PLUGIN)
    sys.path[:0] = [str(folder / "plugin"), str(Path(__file__).parents[1] / "made")]
