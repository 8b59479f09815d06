"""Near duplicates: rows of one language whose conversations, and whose answers, are alike in most of their shingles.

MinHash finds the pairs that may be, true Jaccard decides (collection/shingles.py says on what), and what hangs together
is a cluster, of which one row stays. The answer counts apart, since templates wrap different answers in much the same
words; one too short for a shingle has to be the same. Rows from different templates of one data set are left alone. A
row too short for a shingle takes part in nothing here.

Everything goes from file to file, and memory holds one batch or one bucket, whatever the size of the whole:

    sign      a part      14 band keys of each row, in buckets
    pair      a bucket    rows that share a key
    shingle   a part      the shingles of those of its rows that are in a pair
    compare   a part      the pairs that are truly alike
    cluster   all         for each row, the row that stays in its stead
"""
