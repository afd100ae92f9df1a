import { z } from "zod";
import { roundFigures, stepFigures } from "./run-board.js";

/** Parts of the API whose answer may be another one now. */
export const changedParts = ["run", "devices", "models", "storage"] as const;

/** What happens while somebody looks on. */
export const consoleEvent = z.discriminatedUnion("type", [
	z.strictObject({ type: z.literal("step"), step: stepFigures }),
	z.strictObject({ type: z.literal("round"), round: roundFigures }),
	z.strictObject({ type: z.literal("changed"), what: z.enum(changedParts) }),
	z.strictObject({ type: z.literal("tick") }).describe("nothing: the connection lives"),
]);

export type ConsoleEvent = Readonly<z.infer<typeof consoleEvent>>;
