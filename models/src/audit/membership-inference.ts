import type { Dataset } from "@psgl/sdk/sources";
import { areaUnderCurve } from "../evaluation/area-under-curve.js";
import type { Recogniser } from "./recogniser.js";

/**
 * Membership inference by the loss (Yeom et al., CSF 2018, adversary 1): was a sample among those the network was trained
 * on? A member's true class tends to get more probability. Area under the ROC curve, 0.5 for guessing.
 *
 * @param members samples of the part that is trained on
 * @param others samples that are not, of the same kind
 */
export async function membershipInference(network: Recogniser, members: Dataset, others: Dataset): Promise<number> {
	const ofTrueClass = async (data: Dataset): Promise<readonly number[]> => {
		const { x } = data.batch(Array.from({ length: data.length }, (_, i) => i));
		const { scores } = await network.look(x);
		return Array.from(data.labels, (label, n) => scores[n * data.classes.length + label] as number);
	};
	const probabilities = [...(await ofTrueClass(members)), ...(await ofTrueClass(others))];
	return areaUnderCurve(
		probabilities.length,
		(n) => probabilities[n] as number,
		(n) => n < members.length,
	);
}
