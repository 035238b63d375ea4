;; Lines that begin a statement, the blocks that contain them, and the constructs of these blocks (indentation.py).

[(compound_statement) (field_declaration_list) (case_statement)] @block
[(function_definition) (if_statement) (else_clause) (for_statement) (while_statement) (do_statement) (switch_statement)
 (struct_specifier) (union_specifier)] @construct
(parenthesized_expression (compound_statement) @unchecked)
(compound_statement (_) @line)
(field_declaration_list (_) @line)
(case_statement (_) @line)
(compound_statement "}" @end)
(field_declaration_list "}" @end)
