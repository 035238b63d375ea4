(function_definition declarator: [
    (function_declarator declarator: (identifier) @defined parameters: (parameter_list) @parameters)
    (pointer_declarator
        declarator: (function_declarator declarator: (identifier) @defined parameters: (parameter_list) @parameters))])
(call_expression function: (identifier) @called arguments: (argument_list) @arguments)
