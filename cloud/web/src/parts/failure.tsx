import type { Refused } from "../api.js";

/** What went wrong, and what to do about it. */
export function Failure({ of }: { of: Refused | undefined }) {
	if (of === undefined) return null;
	return (
		<p class="failure" role="alert">
			<b>{of.message}.</b> {of.remedy}
		</p>
	);
}
