import type { Deal } from "@psgl/firmware-sim";
import { z } from "zod";
import { option } from "./options/option.js";

/** How samples are dealt to devices. */
export const dealOption = option(
	"HOW",
	"iid, dirichlet:ALPHA (small ALPHA: few classes a device) or patient (whole patients)",
	z
		.string()
		.regex(/^(iid|patient|dirichlet:\d*\.?\d+)$/, "iid, patient or dirichlet:ALPHA such as dirichlet:0.3")
		.default("iid"),
);

/** `dirichlet:0.3` -> what `dealSplits` takes. */
export function parseDeal(text: string): Deal {
	if (text === "iid" || text === "patient") return text;
	return { dirichlet: Number(text.slice("dirichlet:".length)) };
}
