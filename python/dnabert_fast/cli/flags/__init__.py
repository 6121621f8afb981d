"""The flags of the verbs, each written once so that it means the same everywhere, and under one name.

Those of `prepare` stand apart, in `datasets`: a window or a seed is another thing there.
"""

from .analysis import *  # noqa: F403
from .common import *  # noqa: F403
from .evaluate import *  # noqa: F403
from .train import *  # noqa: F403
