"""The one exception tree. Each message says what is wrong and how to mend it.

WhenceError
├── InputError            something the person gave: a caption, a box, an image, a name
│   ├── CaptionError
│   ├── BoxError
│   ├── ImageError
│   ├── SettingsError         a number out of range, an inexact timestep grid
│   ├── UnknownNameError      a method, model or encoder that is not registered; names the known ones
│   ├── TrainingSetError      a folder that is not a captioned image folder, an unknown id
│   └── ResultError           JSON that is not an answer as we write it
├── ModelError            a folder that is not a pipeline we can read
├── WorkspaceError        a folder that is not a workspace
├── ArtifactError         something precomputed
│   ├── MissingArtifactError  names the command that makes it
│   ├── MismatchError         made for another model, training set or probe; names both values
│   └── CorruptArtifactError  its bytes are not those its manifest promises
├── WorkerError           those who compute for a job are lost, again and again
├── CalibrationError      no step raises the query's loss as far as asked
├── RunError              a run that was asked for by its id: unknown, damaged, or of another workspace
├── NonFiniteError        a loss, gradient or score is not finite; names the examples
└── Cancelled             the person pressed Stop
"""

from __future__ import annotations


class WhenceError(Exception):
    """Any failure that has a message for a person.

    Attributes:
        exit_status: what a command line ends with.
    """

    exit_status = 2


class InputError(WhenceError):
    """Something the person gave cannot be used."""


class CaptionError(InputError):
    """A caption is missing or empty."""


class BoxError(InputError):
    """A box is empty, reversed or outside the picture."""


class ImageError(InputError):
    """A file is missing, not an image, damaged, or too large."""


class SettingsError(InputError):
    """A setting is out of its range."""


class UnknownNameError(InputError):
    """A method, model or encoder that is not registered."""


class TrainingSetError(InputError):
    """A folder is not a captioned image folder, or an id is not in it."""


class ResultError(InputError):
    """JSON is not an answer as we write it."""


class ModelError(WhenceError):
    """A folder is not a diffusion pipeline that can be read."""


class WorkspaceError(WhenceError):
    """A folder is not a workspace."""


class ArtifactError(WhenceError):
    """Something precomputed cannot be used."""


class MissingArtifactError(ArtifactError):
    """An artifact has not been made yet."""


class MismatchError(ArtifactError):
    """An artifact was made for another model, training set or probe."""


class CorruptArtifactError(ArtifactError):
    """An artifact's bytes are not those its manifest promises."""


class WorkerError(WhenceError):
    """Those who compute for a job cannot be started, or are lost again and again."""


class CalibrationError(WhenceError):
    """No step size raises the query's loss as far as asked."""


class RunError(WhenceError):
    """A run cannot be kept, or what was kept of it cannot be shown here."""


class NonFiniteError(WhenceError):
    """A loss, gradient or score is not finite."""


class Cancelled(WhenceError):
    """The person pressed Stop."""

    exit_status = 130
