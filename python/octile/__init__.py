"""Octile's command: a thin shell around the C++ programs and ONNX Runtime with the Octile plugin.

In:  a command line.  Out: text, JSON, files.
Not here: anything that computes; that is C++ (tuner/, packs/, runtime/, plugin/).
"""

__version__ = "0.1.0"
