"""Serve a reward function of your own to Operant over gRPC."""
from operant_reward.functions import Unavailable
from operant_reward.server import serve

__all__ = ["Unavailable", "serve"]
