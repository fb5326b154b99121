"""The proof: whether the cleaning helps, and whether the figures of a run hold.

`check` asks a run about itself, by planted wrong labels (`planted`) and real removals. `gate` judges what a publish
would drop, by trials with the rows that are trusted (`trials`), or by parts of the rows in turn (`turns`); `decided`
puts what people said among the rows, `write_gate` and `proof` write down what was found.
"""
