"""JSON for seqforge: a corpus of JSON Lines, and a metric. Every seqforge command imports this module."""

SEQFORGE_API = 1

COMPONENTS = {
    "corpus": {"json-values": "seqforge_json.corpus:JsonValues"},
    "metric": {"valid-json": "seqforge_json.metric:ValidJson"},
}
