import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

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
	const child = spawn("/usr/bin/python3", ["-c", program, String(threads)], {
		stdio: ["pipe", "pipe", "ignore"],
		env: { ...process.env, OMP_NUM_THREADS: String(threads) },
	});
	child.on("error", () => {});
	child.stdin.on("error", () => {});
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	const answer = async (): Promise<unknown> => {
		const { value, done } = await lines.next();
		return done ? undefined : JSON.parse(value);
	};
	const ask = (request: object): Promise<unknown> => {
		child.stdin.write(`${JSON.stringify(request)}\n`);
		return answer();
	};
	const version = await answer();
	if (typeof version !== "string") return undefined;
	return {
		version,
		async prepare(inputs, expression, passes = "forward and backward") {
			await ask({ inputs, expression, passes });
		},
		time: async (runs) => (await ask({ runs })) as number[],
		close: () =>
			new Promise((resolve) => {
				child.once("exit", () => resolve());
				child.stdin.end();
			}),
	};
}
