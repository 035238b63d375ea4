;; Statements and declarations that may be errors, and what is around them (statements.py).

[(while_statement) (do_statement) (for_statement) (switch_statement) (function_definition)] @around
(break_statement) @break
(continue_statement) @continue
(case_statement) @case
(switch_statement body: (compound_statement) @cases)
(return_statement) @return
(field_declaration_list) @members
(binary_expression right: (assignment_expression) @target)
(unary_expression argument: (assignment_expression) @target)
(update_expression argument: [(number_literal) (string_literal) (char_literal) (binary_expression)] @target)
(call_expression function: [(number_literal) (string_literal) (char_literal)] @called_value)
(compound_statement
    (declaration
        type: (primitive_type) declarator: [(identifier) (init_declarator) (array_declarator)]) @declaration)
