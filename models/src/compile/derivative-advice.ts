import { ArtifactError } from "@psgl/sdk";
import type { ModelDefinition } from "./model-definition.js";

/**
 * Builds graphs of a definition; where a node of an imported network has no derivative, the error says which cut avoids it:
 * one behind the node, with nothing trained in front of it and no map or perturbation, which need gradients of the input.
 */
export function withDerivativeAdvice<T>(definition: ModelDefinition, build: () => T): T {
	try {
		return build();
	} catch (cause) {
		const { imported } = definition.network;
		const isMissing = cause instanceof ArtifactError && cause.code === "PSGL_OPERATOR_NO_GRADIENT";
		if (!isMissing || imported === undefined || cause.got === undefined) throw cause;
		const node = cause.got;
		const cut = imported.avoid(node) ?? imported.avoid(node.replace(/_\d+$/, ""));
		throw new ArtifactError(cause.code, {
			what: cause.what,
			got: node,
			expected: cause.expected,
			remedy:
				cut === undefined
					? "No cut avoids it, as nothing would be left to train behind it: replace it in the model"
					: `Cut behind it and train nothing in front: --cut ${cut.join(",")} --freeze "client.*" --privacy none`,
			cause,
		});
	}
}
