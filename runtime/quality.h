/* Measures of features beyond the classifiers of evaluate.h: of retrieval, of clusters, of few
 * examples, and of how rows are spread. All give the same bits for any number of threads. Each
 * returns false when memory runs out or a signal ends it. */
#ifndef COUPLET_RUNTIME_QUALITY_H
#define COUPLET_RUNTIME_QUALITY_H

#include "runtime/evaluate.h"

/* Recall at k, in percent: the queries one of whose k nearest rows of the bank, by cosine, has the
 * query's label (Jegou, Douze, Schmid: Product Quantization. PAMI 33, 2011). Of `how` only k and
 * `own` are read. */
bool couplet_recall(CoupletThreads *threads, const CoupletFeatures *bank,
                    const CoupletFeatures *query, int class_count, const CoupletNeighbours *how,
                    double *percent);

/* Mean average precision, in percent (Manning, Raghavan, Schuetze: Introduction to Information
 * Retrieval, 2008, section 8.4). The rows of the bank are ranked by their cosine with the query, of
 * equal ones the earlier ahead. The precision at each row with the query's label is averaged over
 * these rows, and then over the queries that have one. `own` is that of CoupletNeighbours. */
bool couplet_mean_precision(CoupletThreads *threads, const CoupletFeatures *bank,
                            const CoupletFeatures *query, const int32_t *own, double *percent);

/* The agreement of clusters with classes by several measures, each times 100. */
typedef struct CoupletAgreement {
    /* Normalised mutual information, 2 I / (H + H): Strehl, Ghosh, JMLR 3, 2002, with the
     * arithmetic mean of the entropies. */
    double nmi;
    double ari; /* the adjusted Rand index: Hubert, Arabie, Journal of Classification 2, 1985 */
    /* Under the best naming of clusters by classes, each at most once: Xie, Girshick, Farhadi,
     * ICML 2016, eq. (10). */
    double accuracy;
} CoupletAgreement;
/* Compares the cluster and the class of each sample. */
bool couplet_agreement(const int32_t *members, int64_t clusters, const int32_t *labels,
                       int64_t classes, int64_t count, CoupletAgreement *out);
/* Clusters rows by spherical k-means (kmeans.h, at most 100 rounds, the same draws always) and
 * compares the clusters with the labels. 1 <= clusters <= rows->count. */
bool couplet_cluster_agreement(CoupletThreads *threads, const CoupletFeatures *rows,
                               int64_t clusters, int64_t classes, CoupletAgreement *out);

typedef struct CoupletFewShot {
    int64_t ways, shots; /* classes of an episode, and examples of each */
    int64_t episodes;
} CoupletFewShot;
/* The classes that have examples enough for an episode: `shots` and one to ask for. */
int64_t couplet_few_shot_classes(const CoupletFeatures *rows, int64_t classes, int64_t shots);
/* Few-shot accuracy in percent. In each episode up to 15 further rows of each class go to the class
 * whose examples have the nearest mean, of rows of length 1 (Snell, Swersky, Zemel: Prototypical
 * Networks, NIPS 2017; Wang et al.: SimpleShot, 2019, L2N). The episodes are the same for all
 * features. ways is at least 2 and at most couplet_few_shot_classes. */
bool couplet_few_shot(const CoupletFeatures *rows, int64_t classes, const CoupletFewShot *how,
                      double *percent);

/* Uniformity: log of the mean over all pairs of rows of exp(-t |x - y|^2), of rows of length 1
 * (Wang, Isola: Understanding Contrastive Representation Learning, ICML 2020, eq. (5)). It is 0 at
 * collapse; lower is better. At least two rows. */
bool couplet_uniformity(CoupletThreads *threads, const CoupletFeatures *rows, double t,
                        double *value);
/* Alignment of classes: the mean of |x - y|^2 over all pairs of rows with one label, of rows of
 * length 1 (Wang, Isola, ICML 2020, eq. (4), with the rows of a class as each other's positives).
 * 0: each class is one point; lower is better. NAN: no two rows have one label. */
bool couplet_alignment(CoupletThreads *threads, const CoupletFeatures *rows, double *value);
/* The effective rank: exp of the entropy of the singular values over their sum (Roy, Vetterli,
 * EUSIPCO 2007; RankMe: Garrido et al., ICML 2023). 1 at collapse, the width at most; 0 for rows of
 * zeros. */
bool couplet_effective_rank(CoupletThreads *threads, const CoupletFeatures *rows, double *value);

/* The eigenvalues of a symmetric matrix a[n, n], ascending, by Householder's reduction and the QL
 * algorithm (Wilkinson, Reinsch: Handbook for Automatic Computation II, 1971, tred1 and tql1). `a`
 * is overwritten; work[n]. False if the iteration does not end. */
bool couplet_eigenvalues(double *a, int64_t n, double *values, double *work);

#endif
