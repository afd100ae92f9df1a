import type { Tensor } from "@psgl/sdk";
import type { AttackScene } from "./attack-scene.js";
import { decoderAttack } from "./decoder-attack.js";

type Real = Tensor<"float32">;

/**
 * What an attacker rebuilds who has nothing of the victims but their labels, and the adaptive decoder to learn the rest: an anchor beside the class mean,
 * which a decoder trained for similarity can pass by its skill in similarity alone.
 *
 * @param scene of a network whose releases are not drawn by chance; nothing of them is used
 * @param labels [V] classes of the victims
 */
export function labelDecoder(scene: AttackScene, labels: Int32Array): Promise<Real> {
	const classes = scene.target.manifest.classes.length;
	return decoderAttack(
		{ ...scene, seen: oneHot(labels, classes) },
		{ pairs: oneHot(scene.labels, classes), loss: "similarity" },
	);
}

/** [N,classes] */
function oneHot(labels: Int32Array, classes: number): Real {
	const data = new Float32Array(labels.length * classes);
	labels.forEach((label, n) => {
		data[n * classes + label] = 1;
	});
	return { dtype: "float32", dims: [labels.length, classes], data };
}
