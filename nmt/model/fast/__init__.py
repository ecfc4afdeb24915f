"""The fast way through the network: the same numbers as the readable steps of `nmt.model`, up to rounding.

`products` multiplies matrices, `encoder` reads whole batches without packing them, `decoder` unrolls whole targets with
gradients written by hand. Each says what it cannot do, and then the readable step is used.
"""
