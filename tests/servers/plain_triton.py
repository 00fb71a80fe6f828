"""A model of Triton's Python backend as its users write it; it lies in the model's folder as model.py."""

import numpy as np
import triton_python_backend_utils as triton
from plain_iris import classify


class TritonPythonModel:
    """The model."""

    def execute(self, requests):
        """Species of flowers, one by one."""
        return [self._answer(triton.get_input_tensor_by_name(request, "row").as_numpy()) for request in requests]

    def _answer(self, row):
        try:
            species = classify([float(number) for number in row])
        except ValueError as error:
            return triton.InferenceResponse(error=triton.TritonError(str(error)))
        return triton.InferenceResponse([triton.Tensor("species", np.array([species], dtype=np.int64))])
