"""The network, its training and the saved model: the stage train.

Read network, then loop and train_step, then trainer and saved_model. Only this room imports
TensorFlow. inference, intervals and saved_model use a model without TensorFlow. Imports core and
dataset.
"""
