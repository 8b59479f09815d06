"""Find near duplicates: rows of one language whose conversations and answers share most of their shingles.

MinHash finds candidate pairs, and the true Jaccard similarity decides (collection/shingles.py defines the shingles).
Connected pairs form a cluster, of which one row is kept. Answers are also compared alone, since templates wrap
different answers in nearly the same words. Answers too short for a shingle must be equal. Rows from different templates
of one data set are not compared, and rows too short for a shingle are left out.

Each phase reads and writes files. Memory holds one batch or one bucket, whatever the size of the collection:

    sign      a part      14 band keys of each row, in buckets
    pair      a bucket    pairs of rows that share a key
    shingle   a part      the shingles of its rows that are in a pair
    compare   a part      the pairs that are similar enough
    cluster   all         for each dropped row, the row that is kept
"""
