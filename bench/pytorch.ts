import { startPython } from "./python-process.js";

/** What is timed; default forward and backward. */
export type Passes = "forward" | "forward and backward";

/** A Python process with PyTorch that times expressions, for comparison in the same run. */
export interface PyTorch {
	readonly version: string;
	/** Draws inputs of these shapes and evaluates the expression over them (`F` is torch.nn.functional). */
	prepare(inputs: Readonly<Record<string, readonly number[]>>, expression: string, passes?: Passes): Promise<void>;
	/** Milliseconds of each of `runs` passes. */
	time(runs: number): Promise<number[]>;
	close(): Promise<void>;
}

const program = `
import json, sys, time
import torch
import torch.nn.functional as F
torch.set_num_threads(int(sys.argv[1]))
print(json.dumps(torch.__version__), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if "inputs" in request:
        names = {k: torch.rand(*shape, requires_grad=True) for k, shape in request["inputs"].items()}
        code = compile(request["expression"], "expression", "eval")
        scope = {"F": F, "torch": torch, **names}
        backward = request["passes"] != "forward"
        torch.set_grad_enabled(backward)
        gradient = torch.rand_like(eval(code, scope))
        wrt = [v for k, v in names.items() if k not in ("mean", "variance")]
        print("[]", flush=True)
        continue
    times = []
    for _ in range(request["runs"]):
        start = time.perf_counter()
        result = eval(code, scope)
        if backward:
            torch.autograd.grad(result, wrt, gradient)
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps(times), flush=True)
`;

/** Starts the system's Python; undefined where it, or PyTorch in it, is missing. */
export async function startPyTorch(threads: number): Promise<PyTorch | undefined> {
	const python = await startPython(threads, ["-c", program, String(threads)]);
	if (python === undefined) return undefined;
	return {
		version: python.version,
		async prepare(inputs, expression, passes = "forward and backward") {
			await python.ask({ inputs, expression, passes });
		},
		time: async (runs) => (await python.ask({ runs })) as number[],
		close: () => python.close(),
	};
}
