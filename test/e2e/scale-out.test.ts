import { withPrograms } from "../helpers/outside-program.js";
import { runScaleOut } from "../scale/scale-out.js";

withPrograms("nats-server")(
	"npm run scale, small: two aggregators and a NATS server killed in turn lose and double nothing, and the logs give the same weights",
	async (t) => {
		const result = await runScaleOut({
			nodes: 1,
			aggregators: 2,
			devices: 6,
			rounds: 3,
			stepMs: 100,
			batches: 8,
			kills: true,
			answerTimeoutMs: 1000,
			leaseMs: 1000,
			shareIdleMs: 1500,
			onProgress: (line) => t.log(line),
		});
		const { acknowledged, lost, doubled, bitIdentical, kills } = result;
		t.deepEqual(
			{ acknowledged, lost, doubled, bitIdentical, kills },
			{ acknowledged: 144, lost: 0, doubled: 0, bitIdentical: true, kills: 4 },
		);
	},
);
