;; The names of a unit, and the nodes around them that give them a meaning (resolution.py).
;; A later pattern is more special: a node that matches several has the last capture.

(identifier) @use
(type_identifier) @type
(ERROR [_ (ERROR)] @unread)

(function_definition) @function
[(compound_statement) (for_statement)] @block
(while_statement) @loop
(return_statement) @return
(type_definition) @typedef
(declaration type: (macro_type_specifier)) @macro_declaration
(parameter_list) @parameters
[(argument_list) (parenthesized_expression)] @brackets
(call_expression function: (identifier) arguments: (argument_list) @arguments)
(expression_statement (call_expression function: (identifier) arguments: (argument_list) @macro_arguments))
(call_expression function: (call_expression function: (identifier) arguments: (argument_list) @macro_arguments))
[(attribute_specifier) (attribute_declaration)] @ignored
(gnu_asm_output_operand symbol: (identifier) @ignored)
(gnu_asm_input_operand symbol: (identifier) @ignored)

(return_statement (identifier) @returned)
(call_expression function: (identifier) @called)
(declaration declarator: (identifier) @declared)
(parameter_declaration declarator: (identifier) @declared)
(parameter_list (identifier) @declared)
(parameter_declaration !declarator type: (type_identifier) @declared)
(init_declarator declarator: (identifier) @declared)
(pointer_declarator declarator: [(identifier) (type_identifier)] @declared)
(array_declarator declarator: [(identifier) (type_identifier)] @declared)
(parenthesized_declarator [(identifier) (type_identifier)] @declared)
(attributed_declarator [(identifier) (type_identifier)] @declared)
(type_definition declarator: (type_identifier) @declared)
(function_declarator declarator: [(identifier) (type_identifier)] @declared_function)
(enumerator name: (identifier) @enumerator)
(labeled_statement label: (statement_identifier) @label)
(goto_statement label: (statement_identifier) @goto)
(gnu_asm_goto_list (identifier) @goto)

(ERROR (function_declarator) @head)
(ERROR [(parameter_list) (parameter_declaration)] @own_parameters)
