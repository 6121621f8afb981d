"""The flags of the verbs, each written once so that it means the same everywhere, and all under one name."""

from .analysis import *  # noqa: F403
from .common import *  # noqa: F403
from .evaluate import *  # noqa: F403
from .train import *  # noqa: F403
