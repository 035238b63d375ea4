"""Several processes that train one model: which of them this is, and the collective operations that training needs."""
