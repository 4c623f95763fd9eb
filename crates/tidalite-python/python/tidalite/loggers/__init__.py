"""Loggers for other libraries, one module each, which imports only its own library.

| module | class | for |
|---|---|---|
| `tidalite.loggers.tensorboard` | `SummaryWriter` | code written for TensorBoard |
| `tidalite.loggers.lightning` | `TidaliteLogger` | Lightning's `Trainer(logger=…)` |
| `tidalite.loggers.transformers` | `TidaliteCallback` | Hugging Face's `Trainer(callbacks=[…])` |
| `tidalite.loggers.keras` | `TidaliteCallback` | Keras' `model.fit(callbacks=[…])` |
| `tidalite.loggers.optuna` | `TidaliteCallback` | Optuna's `study.optimize(callbacks=[…])` |

A logger takes the path of a store, which it opens on its first row, or an open `tidalite.Store`, which it leaves open. Any number
of loggers in any number of processes may write to one store.
"""
