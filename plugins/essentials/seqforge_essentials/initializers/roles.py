"""What a parameter is for, told by the last part of its name."""


def is_bias(name: str) -> bool:
    """Tell a bias: `bias`, `recurrent_bias`, or `bias_ih_l0` as torch.nn's recurrent modules call it.

    Args:
        name: The parameter's dotted name.
    """
    last = _last(name)
    return last.startswith("bias") or last.endswith("bias")


def is_recurrent_weight(name: str) -> bool:
    """Tell a recurrent weight: `recurrent_weight`, or `weight_hh_l0` as torch.nn's recurrent modules call it.

    Args:
        name: The parameter's dotted name.
    """
    return _last(name).startswith(("recurrent_weight", "weight_hh"))


def _last(name: str) -> str:
    return name.rpartition(".")[2]
