"""Networks. A file here is a `model.name` of a config; `make_model` is what it must have.

    make_model(config, representation, condition, gaussian) -> nn.Module

of the `model` section of a config, with the methods `encode(features, condition, train) -> Latent`
and `decode(z, condition, train) -> features`, and a `__call__` that runs both, for `init`.
"""
