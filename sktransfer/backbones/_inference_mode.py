"""A network that stays in inference mode whatever the mode of the network around it."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable("sktransfer")
class InferenceModel(keras.Model):
    """A functional model that is called with ``training=False``.

    ``network(tensor, training=False)`` does not do: within a functional model Keras 3 replaces the
    argument by the mode in which the whole is called.
    """

    adapting = False
    """Whether it is in training mode for once, for the statistics of its batch normalization."""

    def call(self, inputs, training=None, mask=None):
        """Compute the outputs, in inference mode but for `adapting`."""
        return super().call(inputs, training=self.adapting, mask=mask)
