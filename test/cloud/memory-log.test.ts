import { createMemoryLog } from "@psgl/cloud";
import test from "ava";
import { logCompliance } from "./log-compliance.js";

logCompliance(test, "memory log", async () => createMemoryLog({ maxBytes: 100 }));
