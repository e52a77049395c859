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
    Normalize each hidden layer's batch before the activation, and that of the features which a head
    is given."""

TRAINING_PARAMETERS = """\
optimizer : {"adam", "adamw", "sgd", "rmsprop", "nadam"}, default="adam"
    Keras optimizer, with Keras' defaults but for what the parameters below say.
learning_rate : float > 0, default=0.001
    Learning rate, at its highest where a schedule changes it.
learning_rate_schedule : {"constant", "cosine", "one_cycle"}, default="constant"
    "cosine" lowers the rate to zero over the steps of one `fit` [1]_. "one_cycle" raises it from a
    25th over 30 % of the steps before it is lowered, both along a cosine [2]_.
warmup_epochs : float >= 0, default=0.0
    Epochs, perhaps a fraction of one, over which the rate first grows linearly.
momentum : float in [0, 1), default=0.9
    Nesterov momentum of "sgd"; other optimizers have their own.
weight_decay : float >= 0, default=None
    What each step takes off the kernels, times the learning rate, apart from the gradient [3]_.
    Biases and the scale and shift of normalization are spared. None is the optimizer's default:
    0.004 for "adamw", 0 for others.
global_clipnorm : float > 0, default=None
    Norm to which the gradient of all weights together is shortened where it is longer.
gradient_accumulation_steps : int, default=1
    Batches whose gradients are averaged for one update: a larger batch in the memory of a small
    one.
ema_momentum : float in [0, 1), default=None
    With it, what is evaluated and kept is the exponential moving average of the weights over the
    steps, of this momentum [4]_, such as 0.99. A warm start and each `partial_fit` go on from the
    average.
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
checkpoint : str or path-like, default=None
    Folder in which `fit` keeps all that it knows as each epoch begins, in a file that is removed
    when it ends. Where it was cut off, the same `fit` of the same data goes on with the epoch that
    was under way, in a new process, too, and ends with the bits of one that was not; also where
    `random_state` is None. With `warm_start` the fitted weights have to be the same as well. Many
    fits may share a folder, but those of equal parameters and data not at one time. Other data or
    parameters, `epochs` among them, are another fit, for which training starts anew; a damaged file
    is warned of. What `callbacks` remember is not kept. `partial_fit` keeps nothing: save the
    estimator between its calls.
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
class_weight : dict, "balanced", "effective" or None, default=None
    Weights of the classes, as in scikit-learn. "effective" weighs by the effective number of
    samples [5]_ with beta 0.999, milder than "balanced".
label_smoothing : float in [0, 1), default=0.0
    How much of each target is spread evenly over all classes [6]_.
focal_gamma : float >= 0, default=0.0
    Power of the focal loss, which looks away from rows that are right already [7]_; 0 is
    cross-entropy."""

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
pooling : {"avg", "max", "avg+max", "gem", "flatten"}, default="avg"
    How a feature map becomes a vector. "avg+max" sets both beside each other, twice the features.
    "gem" is the generalized mean with power 3 (Radenovic, Tolias and Chum, TPAMI 2018,
    arXiv:1711.02512), between the two; values below 1e-6 count as 1e-6, so that it suits maps
    behind a ReLU and loses what maps with negative values say by them.
interpolation : {"nearest", "bilinear", "bicubic", "area", "lanczos3"}, default="bilinear"
    How images are resized; antialiased where they shrink.
preprocessing : {"backbone", "rescale"}, default="backbone"
    "backbone" scales pixels as the backbone's authors did. "rescale" divides by 255 whatever the
    backbone expects: a common mistake, here to be studied.
precision : {"float32", "bfloat16"}, default="float32"
    What the backbone computes in, whatever Keras' global policy is. "bfloat16" is faster on
    processors that have it, and less exact: features differ by a hundredth, and by a tenth in
    networks of depthwise convolutions. They are float32 in either case. Where the backbone trains,
    only its convolutions over all channels and its dense layers are in bfloat16, which is fastest.
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
    Images in a batch; None is chosen by the backbone and `input_size` alone. Where memory is not
    enough, it is halved with a warning, and features are those of the smaller size."""

ON_ERROR_PARAMETER = """\
on_error : {"raise", "nan"}, default="raise"
    What `transform` makes of an image of a sequence that cannot be read: an `ImageError`, or a row
    of NaN, and one `UnreadableImagesWarning` for all of them, whose attribute `unreadable` is a
    table of their positions, files and errors. The other rows are what they are without such
    images. `sktransfer.images.find_unreadable` gives the table beforehand."""

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

TTA_PARAMETERS = """\
augmentation : Augmentation, default=None
    What makes the views. None is a flip left to right in half of them, and shifts by up to a
    sixteenth of the sides.
n_views : int, default=8
    Number of views, the first of which is the image itself.
image_shape : (int, int, int), default=None
    As of the estimator: height, width and channels where X holds images as flat rows.
pixel_range : "auto", (0, 1), (0, 255) or None, default="auto"
    As of the estimator: the range of the pixels. Changes of light and colour need one.
random_state : int, RandomState instance or None, default=None
    Seed of the views; they are the same ones for all images and predictions of one `fit`."""

TTA_ATTRIBUTES = """\
n_features_in_ : int
    Number of columns of a 2-D X, where the estimator keeps it.
feature_names_in_ : ndarray of str
    Names of the columns of X, where the estimator keeps them."""

TTA_NOTES = """\
The estimator gets X itself, in `fit` and as the first view, and the other views in the form of X:
arrays of its shape, kind of numbers and range (whole numbers are rounded), and for files, bytes
and Pillow images a list of uint8 arrays. So it needs the same `image_shape` and `pixel_range` as
without this class. Views are made block by block, and never held all at once."""

TTA_REFERENCES = """\
.. [1] Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
       Recognition", ICLR 2015, arXiv:1409.1556.
.. [2] Shanmugam, Blalock, Balakrishnan and Guttag, "Better Aggregation in Test-Time Augmentation",
       ICCV 2021, arXiv:2011.11156."""

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

TRAINING_REFERENCES = """\
.. [1] Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
       arXiv:1608.03983.
.. [2] Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
       Learning Rates", 2018, arXiv:1708.07120.
.. [3] Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
       arXiv:1711.05101.
.. [4] Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM Journal
       on Control and Optimization 30, 1992."""

CLASSIFIER_REFERENCES = """\
.. [5] Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
       arXiv:1901.05555.
.. [6] Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
       arXiv:1512.00567.
.. [7] Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002."""

MIXING_PARAMETER = """\
mixing : Mixing, default=None
    MixUp or CutMix of the training images of a batch, and of their targets."""

DISTRIBUTION_PARAMETER = """\
distribution : {"mirrored"}, default=None
    "mirrored" trains on all GPUs at once, or on the processor's virtual devices where there is no
    GPU: each has a copy of the network and takes a share of each batch. Heads that train on
    features, without their backbone, stay on one device. It needs
    `gradient_accumulation_steps=1`."""

UNFREEZING_PARAMETERS = """\
unfreeze : {"head", "last_block", "all"}, str, int or dict, default="head"
    What trains beside the head: nothing, the backbone's last block, all of it, its layers from one
    of a name on, or so many layers from the end. A dict says it in stages, by the epoch in which
    each begins: ``{0: "head", 5: "all"}`` trains the head before everything, which distorts less
    of what was learned before [8]_, and ``{0: "head", 1: "last_block", 2: "all"}`` unfreezes
    gradually [9]_. Each stage has a new optimizer and a schedule of its own.
batch_norm : {"inference", "adapt", "train"}, default="inference"
    Mode of the backbone's batch normalization in training. "inference" keeps the pretrained
    statistics, while scale and shift train where their layer does. "adapt" is the same with the
    statistics of the training images, computed before training [10]_. "train" normalizes each
    training batch by its own statistics; those of frozen layers stay as they were for
    prediction."""

BACKBONE_RATE_PARAMETERS = """\
backbone_learning_rate : float > 0, default=None
    Learning rate of the backbone's layers; None is `learning_rate`.
layer_decay : float in (0, 1], default=1.0
    Learning rate of the lowest layer that trains relative to that of the backbone's highest; those
    between are spaced evenly on a logarithmic scale, by depth [9]_.
l2_sp : float >= 0, default=0.0
    Strength of the pull of the backbone's weights towards the pretrained ones, the factor of half
    the squared distance [11]_. The losses in `history_` are without it.
stochastic_depth : float in [0, 1), default=0.0
    How often the last residual branch of a backbone that has branches to drop, such as Keras'
    EfficientNets, is dropped in training; the others less, in proportion to their depth [12]_. For
    backbones that train as a whole."""

FINE_TUNING_REFERENCES = """\
.. [8] Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
       Out-of-Distribution", ICLR 2022, arXiv:2202.10054.
.. [9] Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018,
       arXiv:1801.06146.
.. [10] Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", 2016,
       arXiv:1603.04779.
.. [11] Li et al., "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", ICML
       2018, arXiv:1802.01483.
.. [12] Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, arXiv:1603.09382."""

PARAGRAPHS = {
    "backbone_parameters": BACKBONE_PARAMETERS,
    "backbone_rate_parameters": BACKBONE_RATE_PARAMETERS,
    "classes_attribute": CLASSES_ATTRIBUTE,
    "classifier_references": CLASSIFIER_REFERENCES,
    "distribution_parameter": DISTRIBUTION_PARAMETER,
    "extraction_attributes": EXTRACTION_ATTRIBUTES,
    "extraction_parameters": EXTRACTION_PARAMETERS,
    "fine_tuning_references": FINE_TUNING_REFERENCES,
    "fitted_attributes": FITTED_ATTRIBUTES,
    "head_parameters": HEAD_PARAMETERS,
    "image_parameters": IMAGE_PARAMETERS,
    "mixing_parameter": MIXING_PARAMETER,
    "on_error_parameter": ON_ERROR_PARAMETER,
    "training_parameters": TRAINING_PARAMETERS,
    "tta_attributes": TTA_ATTRIBUTES,
    "tta_notes": TTA_NOTES,
    "tta_parameters": TTA_PARAMETERS,
    "tta_references": TTA_REFERENCES,
    "training_references": TRAINING_REFERENCES,
    "unfreezing_parameters": UNFREEZING_PARAMETERS,
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
