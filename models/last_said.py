"""Two probabilities of a customer's default, said on two days and perhaps by two models: how far apart they lie, and whose doing it is."""
import numpy as np


def log_odds(probability):
    """The log-odds of a probability between 0 and 1."""
    return float(np.log(probability) - np.log1p(-probability))


def split(then, now, *, then_today):
    """The difference of two probabilities in log-odds, in two parts: (the customer moved, the model changed).

    then, now: said by the model of then and by that of now; then_today: what the model of then says today. The first part is one model on two days, the second
    two models on one day; they add up to the whole difference within 1e-12. On probabilities, since two models' raw scores have no scale in common.
    """
    whole, moved = log_odds(now) - log_odds(then), log_odds(then_today) - log_odds(then)
    return moved, whole - moved
