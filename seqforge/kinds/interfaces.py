"""The public names of this folder, which each module lists."""

from seqforge.events import *
from seqforge.kinds.attention import *
from seqforge.kinds.backend import *
from seqforge.kinds.cell import *
from seqforge.kinds.corpus import *
from seqforge.kinds.diagnosis import *
from seqforge.kinds.example_spec import *
from seqforge.kinds.exporter import *
from seqforge.kinds.factored_cell import *
from seqforge.kinds.generation_kernel import *
from seqforge.kinds.initializer import *
from seqforge.kinds.labelled_corpus import *
from seqforge.kinds.loss import *
from seqforge.kinds.matrix_state_cell import *
from seqforge.kinds.metric import *
from seqforge.kinds.optimizer import *
from seqforge.kinds.prediction_metric import *
from seqforge.kinds.sampler import *
from seqforge.kinds.schedule import *
from seqforge.kinds.tracker import *
from seqforge.kinds.vocabulary import *
