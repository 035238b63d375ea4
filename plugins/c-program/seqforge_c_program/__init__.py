"""Export to a program in C. Importing this module registers a name and does not import torch."""

SEQFORGE_API = 1

COMPONENTS = {
    "exporter": {
        "c": "seqforge_c_program.exporter:CProgram",
        "c-int8": "seqforge_c_program.exporter:CProgramInt8",
    },
}
