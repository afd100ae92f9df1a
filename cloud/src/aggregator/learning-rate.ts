/**
 * Share of the learning rate in a round: 1 in the first half of the rounds, then falling linearly to
 * 1 / (rounds of the second half).
 * @param round from 1
 */
export function learningRateShare(round: number, rounds: number): number {
	const constant = Math.floor(rounds / 2);
	return Math.min(1, (rounds - round + 1) / (rounds - constant));
}
