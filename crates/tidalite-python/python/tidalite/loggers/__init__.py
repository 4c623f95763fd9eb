"""Loggers for other libraries, each in a module of its own, which imports its library and nothing else.

| module | what it has | for |
|---|---|---|
| `tidalite.loggers.tensorboard` | `SummaryWriter` | code written for TensorBoard's |
| `tidalite.loggers.lightning` | `TidaliteLogger` | Lightning's `Trainer(logger=…)` |
| `tidalite.loggers.transformers` | `TidaliteCallback` | Hugging Face's `Trainer(callbacks=[…])` |
| `tidalite.loggers.keras` | `TidaliteCallback` | Keras' `model.fit(callbacks=[…])` |
| `tidalite.loggers.optuna` | `TidaliteCallback` | Optuna's `study.optimize(callbacks=[…])` |

A logger takes the path of a store, which it opens when it first logs, or a `tidalite.Store` that is open already, which it
leaves open. All of them write to the same store at once, from any number of processes.
"""
