"""CVXPY problems as differentiable TensorFlow functions."""

from argrad.tensorflow._layer import CvxpyLayer

__all__ = ["CvxpyLayer"]
