"""Paragraphs of documentation that several estimators share."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)

HEAD_PARAMETERS = """\
hidden_layer_sizes : sequence of int, default={hidden_layer_sizes}
    Units of the hidden dense layers; empty for a single softmax layer.
activation : {"relu", "elu", "gelu", "selu", "silu", "tanh"}, default="relu"
    Activation of the hidden layers.
kernel_initializer : str, default="glorot_uniform"
    Name of a Keras initializer for the kernels of the dense layers.
dropout : float in [0, 1), default=0.0
    Fraction of each hidden layer's outputs that is dropped in training.
l2 : float >= 0, default=0.0
    L2 penalty on the kernels of the dense layers, added to the loss.
batch_normalization : bool, default=False
    Normalize each hidden layer's batch before the activation."""

TRAINING_PARAMETERS = """\
optimizer : {"adam", "adamw", "sgd", "rmsprop", "nadam"}, default="adam"
    Keras optimizer, with Keras' defaults but for the learning rate.
learning_rate : float > 0, default=0.001
    Learning rate, at its start where a schedule lowers it.
learning_rate_schedule : {"constant", "cosine"}, default="constant"
    "cosine" lowers the rate to zero over the steps of one `fit` [1]_.
batch_size : int, default=32
    Rows in a training step.
epochs : int, default={epochs}
    Passes over the training data in one `fit`.
validation_split : float in [0, 1), default=None
    Fraction of the training data that is set aside, stratified by class, and evaluated after each
    epoch. None is 0.1 with `early_stopping`, else 0. `X_val` in `fit` replaces it.
early_stopping : bool, default=False
    Stop when the validation loss has not improved for `patience` epochs, and go back to the best
    epoch's weights.
patience : int, default=10
    Epochs without improvement that early stopping bears.{class_weight}
warm_start : bool, default=False
    Start `fit` from the weights of the last one, with a new optimizer.
callbacks : list of keras.callbacks.Callback, default=None
    Copied for each fit, so that no fit sees another's state. Where features are trained on, many
    batches run at a time, but one by one if a callback has a method for batches; its `model` is a
    twin of `model_`, which gets what was learned when training ends.
random_state : int, RandomState instance or None, default=None
    Seed of initial weights, dropout, shuffling, augmentation and validation split. An int gives
    bit-identical fits on one machine. Nothing global is seeded.
verbose : int, default=0
    Keras' verbosity: 0 is silent, 1 shows a progress bar (of batches, or of
    runs of many batches), 2 a line an epoch."""

CLASS_WEIGHT = """
class_weight : dict, "balanced" or None, default=None
    Weights of the classes, as in scikit-learn."""

IMAGE_PARAMETERS = """\
image_shape : (int, int, int), default=None
    Height, width and channels of the images where X holds them as flat rows; one entry may be -1.
pixel_range : "auto", (0, 1), (0, 255) or None, default="auto"
    Range of the pixels. "auto" takes integers and decoded images as 0 to 255 and refuses floats;
    floats declare theirs; None means already scaled as the network needs them, used as they are."""

BACKBONE_PARAMETERS = """\
weights : "imagenet", path or None, default="imagenet"
    "imagenet" looks in the folder named by the environment variable ``SKTRANSFER_WEIGHTS``, in
    installed packages of weights, in Keras' cache, and downloads at last. A path names a file of
    this network's weights. None starts from random weights, seeded by `random_state`.
input_size : int, (int, int) or None, default=None
    Height and width that the backbone is given; images of other sizes are resized. None is the
    images' own size, raised to the smallest that the backbone is good at; for images of mixed
    sizes the size that it was trained on.
layers : str or sequence of str, default=None
    Names of the backbone's layers whose feature maps are pooled, and concatenated where they are
    several, in one pass; `layer_table` lists them. None is the last feature map. Shallower layers
    help where images are small or unlike those of ImageNet (Evci et al.,
    "Head2Toe", ICML 2022, arXiv:2201.03529).
pooling : {"avg", "max", "flatten"}, default="avg"
    How a feature map becomes a vector.
interpolation : {"nearest", "bilinear", "bicubic", "area", "lanczos3"}, default="bilinear"
    How images are resized; antialiased where they shrink.
preprocessing : {"backbone", "rescale"}, default="backbone"
    "backbone" scales pixels as the backbone's authors did. "rescale" divides by 255 whatever the
    backbone expects: a common mistake, here to be studied.
precision : {"float32", "bfloat16"}, default="float32"
    What the backbone computes in. "bfloat16" is faster on processors that have it, and less exact:
    features differ by a hundredth, and by a tenth in networks of depthwise convolutions. They are
    float32 in either case.
engine : {"tensorflow", "openvino"}, default="tensorflow"
    What runs a frozen backbone. OpenVINO, to be installed with the extra ``openvino``, is faster
    with the depthwise convolutions of small networks.
cache : "auto", path or None, default="auto"
    Where the features of a frozen backbone are kept, so that an image that was extracted once, in
    another fold, order or clone, is not extracted again. "auto" is memory, shared by all estimators
    of the process and bounded; a path is a folder on a local disk, shared also with other processes
    and later ones."""

EXTRACTION_PARAMETERS = """\
batch_size : int, default=None
    Images in a batch; None is chosen by the backbone and `input_size` alone."""

EXTRACTION_ATTRIBUTES = """\
input_size_ : (int, int)
    Height and width that the backbone is given.
image_size_ : (int, int) or None
    Height and width of the images of `fit`, None where they were mixed.
batch_size_ : int
    Images in a batch.
parameter_counts_ : dict
    Numbers of parameters: "total", "trainable" (0) and "non_trainable".
n_features_in_ : int
    Number of columns of a 2-D X.
feature_names_in_ : ndarray of str
    Names of the columns of X, where it had such names."""

FITTED_ATTRIBUTES = """\
model_ : keras.Model
    The trained network.
history_ : dict of str to list of float
    Keras' history: "loss", metrics, and "val_" versions where there was validation data.
n_iter_ : int
    Epochs trained.
epoch_seconds_ : list of float
    Wall time of each epoch, its validation included.
parameter_counts_ : dict
    Numbers of parameters: "total", "trainable" and "non_trainable".
n_features_in_ : int
    Number of columns of a 2-D X.
feature_names_in_ : ndarray of str
    Names of the columns of X, where it had such names."""

CLASSES_ATTRIBUTE = """\
classes_ : ndarray of shape (n_classes,)
    Class labels; for multilabel targets the numbers of the columns."""

COSINE_REFERENCE = """\
.. [1] Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
       arXiv:1608.03983."""


PARAGRAPHS = {
    "backbone_parameters": BACKBONE_PARAMETERS,
    "classes_attribute": CLASSES_ATTRIBUTE,
    "cosine_reference": COSINE_REFERENCE,
    "extraction_attributes": EXTRACTION_ATTRIBUTES,
    "extraction_parameters": EXTRACTION_PARAMETERS,
    "fitted_attributes": FITTED_ATTRIBUTES,
    "head_parameters": HEAD_PARAMETERS,
    "image_parameters": IMAGE_PARAMETERS,
    "training_parameters": TRAINING_PARAMETERS,
}


def shared_docs(**values: object) -> Callable[[_Class], _Class]:
    """Fill the ``{name}`` places in a class' docstring with the shared paragraphs.

    `values` fill places of the docstring itself and of the paragraphs, such as the defaults in
    which the classes differ.
    """
    places = {name: str(value) for name, value in {"class_weight": CLASS_WEIGHT, **values}.items()}

    def fill(cls: _Class) -> _Class:
        doc = cls.__doc__ or ""
        for name, paragraph in PARAGRAPHS.items():
            doc = doc.replace("{" + name + "}", indent(paragraph, "    ").lstrip())
        for name, value in places.items():
            doc = doc.replace("{" + name + "}", indent(value, "    ").lstrip(" "))
        cls.__doc__ = doc
        return cls

    return fill
