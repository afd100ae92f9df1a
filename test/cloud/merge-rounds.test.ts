import { mergeRounds, type RoundFigures } from "@psgl/cloud";
import test from "ava";

const round = (figures: Partial<RoundFigures>): RoundFigures => ({
	round: 1,
	at: "2026-01-01T00:00:00.000Z",
	losses: { fused: 1 },
	localLoss: 2,
	validation: {},
	best: true,
	learningRate: 0.1,
	model: 3,
	samples: 10,
	steps: 2,
	seconds: 5,
	devicesTrained: 1,
	bytesUp: 100,
	bytesDown: 50,
	...figures,
});

const fused = (samples: number, accuracy: number) => ({
	fused: { samples, accuracy, balancedAccuracy: accuracy / 2, loss: 1 - accuracy },
});

test("rounds of partitions become one row: means weighted by samples, sums, and the slowest one's time", (t) => {
	const first = [round({ validation: fused(30, 0.875) }), round({ round: 2 })];
	const second = [
		round({
			at: "2026-01-01T00:00:09.000Z",
			losses: { fused: 4 },
			localLoss: null,
			validation: fused(10, 0.375),
			best: false,
			samples: 20,
			seconds: 9,
		}),
	];
	const [merged, alone, ...more] = mergeRounds([first, second]);
	t.deepEqual(more, []);
	t.deepEqual(alone, round({ round: 2 }), "a round that one partition has is shown as it is");
	t.like(merged, {
		at: "2026-01-01T00:00:09.000Z",
		losses: { fused: 3 },
		localLoss: 2,
		best: false,
		samples: 30,
		steps: 4,
		seconds: 9,
		devicesTrained: 2,
		bytesUp: 200,
	});
	t.deepEqual(merged?.validation, { fused: { samples: 40, accuracy: 0.75, balancedAccuracy: 0.375, loss: 0.25 } });
	t.is(mergeRounds([first])[0], first[0]);
	t.deepEqual(mergeRounds([[], []]), []);
});
