#pragma once
template <class F> constexpr gems_cpu_cells row_cells() { return gems_cpu_cells{}; }
