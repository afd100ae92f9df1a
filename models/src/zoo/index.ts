import { ConfigError } from "@psgl/sdk";
import { ecg1d } from "./ecg-1d.js";
import { lenet } from "./lenet.js";
import { psglPaper } from "./psgl-paper.js";
import { resnetSmall } from "./resnet-small.js";
import type { SplitNetwork } from "./split-network.js";

/** The networks that come with psgl. */
export const zoo: readonly SplitNetwork[] = [lenet, resnetSmall, ecg1d, psglPaper];

/** @throws ConfigError `PSGL_ZOO_UNKNOWN` listing the names there are. */
export function zooNetwork(name: string): SplitNetwork {
	const network = zoo.find((n) => n.name === name);
	if (network === undefined) {
		throw new ConfigError("PSGL_ZOO_UNKNOWN", {
			what: "there is no zoo model of that name",
			got: name,
			expected: zoo.map((n) => n.name).join(", "),
		});
	}
	return network;
}
