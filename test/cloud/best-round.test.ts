import { bestRound, type Validation } from "@psgl/cloud";
import { tensor } from "@psgl/sdk";
import test from "ava";

/** A validated round whose weights are its number. */
function reached(round: number, loss: number | undefined) {
	const vector = tensor("float32", [1], Float32Array.of(round));
	const metrics = { samples: 8, accuracy: 0.5, balancedAccuracy: 0.5, auc: 0.5, loss: loss ?? 0, confusion: [] };
	const validation: Validation | undefined = loss === undefined ? undefined : { fused: metrics };
	const client = { params: vector, stats: vector, head: vector };
	return { round, validation, client, server: { params: vector, stats: vector }, samples: [undefined] };
}

/** Number of the round that is best after each of the rounds with these losses. */
function bestAfterEach(losses: readonly (number | undefined)[], weightAveraging: boolean) {
	let best: ReturnType<typeof bestRound>;
	return losses.map((loss, i) => {
		best = bestRound(best, reached(i + 1, loss), { rounds: losses.length, weightAveraging });
		// The weights go with the number.
		if (best?.client.params.data[0] !== best?.round) throw new Error("weights of another round");
		return best?.round;
	});
}

test("the round of the lowest loss is best", (t) => {
	t.deepEqual(bestAfterEach([0.5, 0.3, 0.4, 0.3, 0.2, 0.6], false), [1, 2, 2, 2, 5, 5]);
});

test("the first mean of weights takes the place of any single step's, and means are compared with each other", (t) => {
	t.deepEqual(bestAfterEach([0.5, 0.1, 0.4, 0.3, 0.2, 0.25], true), [1, 2, 2, 4, 5, 5]);
});

test("a round that nobody validated changes nothing", (t) => {
	t.deepEqual(bestAfterEach([undefined, 0.2, undefined, undefined], true), [undefined, 2, 2, 2]);
});
