"""The intermediate representation: interned expressions, types, functions. It knows no calculus."""
