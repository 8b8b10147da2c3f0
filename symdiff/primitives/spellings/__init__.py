"""What spells the rows: the functions of `math`, NumPy and SciPy, a module for each of their parts.

`scipy_special` is imported only where a program holds one of its functions.
"""

from symdiff.primitives.spellings import math_functions as math_functions
from symdiff.primitives.spellings import numpy_arrays as numpy_arrays
from symdiff.primitives.spellings import numpy_calculus as numpy_calculus
from symdiff.primitives.spellings import numpy_creation as numpy_creation
from symdiff.primitives.spellings import numpy_linalg as numpy_linalg
from symdiff.primitives.spellings import numpy_reductions as numpy_reductions
from symdiff.primitives.spellings import numpy_shaping as numpy_shaping
