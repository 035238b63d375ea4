;; What the analyses of a unit read in its syntax tree. A node has the last capture of those that an analysis reads.

;; The names of a unit, and the nodes around them that give them a meaning (resolution.py).

(identifier) @use
(type_identifier) @type
(ERROR [_ (ERROR)] @unread)

(function_definition) @function
[(compound_statement) (for_statement)] @block
(while_statement) @loop
(return_statement) @return
(type_definition) @typedef
(parameter_list) @parameters
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

;; Constructs, and statements and declarations inside them that may be errors (statements.py).

[(function_definition) (if_statement) (else_clause) (for_statement) (while_statement) (do_statement) (switch_statement)
 (struct_specifier) (union_specifier)] @construct
(break_statement) @break
(continue_statement) @continue
(case_statement) @case
(switch_statement body: (compound_statement) @cases)
(field_declaration_list) @members
(binary_expression right: (assignment_expression) @target)
(unary_expression argument: (assignment_expression) @target)
(update_expression argument: [(number_literal) (string_literal) (char_literal) (binary_expression)] @target)
(initializer_pair value: (assignment_expression left: [(field_expression) (subscript_expression)] @unseparated))
(call_expression function: [(number_literal) (string_literal) (char_literal)] @called_value)
(compound_statement
    (declaration
        type: (primitive_type) declarator: [(identifier) (init_declarator) (array_declarator)]) @declaration)

;; The bodies of constructs, whose lines are indented (indentation.py).

[(compound_statement) (field_declaration_list) (case_statement)] @body
(parenthesized_expression (compound_statement) @unchecked)
