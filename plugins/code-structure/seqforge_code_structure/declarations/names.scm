;; The names that a unit defines, and the types that it lacks (inference.py). A node has the last of its captures.

(type_identifier) @type
(type_definition declarator: (type_identifier) @typedef)
(pointer_declarator declarator: (type_identifier) @typedef)
(array_declarator declarator: (type_identifier) @typedef)
(function_declarator declarator: (type_identifier) @typedef)
(parenthesized_declarator (type_identifier) @typedef)
(struct_specifier name: (type_identifier) @struct)
(union_specifier name: (type_identifier) @union)
(enum_specifier name: (type_identifier) @enum)
(struct_specifier name: (type_identifier) @own_struct body: (_))
(union_specifier name: (type_identifier) @own_union body: (_))
(enum_specifier name: (type_identifier) @own_enum body: (_))

(concatenated_string (identifier) @string)
(enumerator name: (identifier) @defined)
(function_declarator declarator: (identifier) @defined)
(parameter_declaration declarator: (function_declarator declarator: (identifier) @parameter))
