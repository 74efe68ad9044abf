package main

import "time"

// task is a chunk to be made: not before it is planned.
type task struct{ ready, cost time.Duration }

// makespan is when the last of some tasks is done, if workers take them in order, each as soon as it is free and the task is ready.
func makespan(tasks []task, workers int) time.Duration {
	free := make([]time.Duration, max(workers, 1))
	var end time.Duration
	for _, t := range tasks {
		first := 0
		for i, f := range free {
			if f < free[first] {
				first = i
			}
		}
		free[first] = max(free[first], t.ready) + t.cost
		end = max(end, free[first])
	}
	return end
}
